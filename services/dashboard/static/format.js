/** Times, numbers and ages for people. The zone is one for the whole page. */

const zones = { utc: "UTC", local: undefined };
const formats = {};

function parts(ms, zone) {
  formats[zone] ??= new Intl.DateTimeFormat("en-CA", {
    timeZone: zones[zone], year: "numeric", month: "2-digit", day: "2-digit",
    hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
  });
  return Object.fromEntries(formats[zone].formatToParts(ms).map((part) => [part.type, part.value]));
}

export function clock(ms, zone) {
  if (!ms) return "–";
  const p = parts(ms, zone);
  return `${p.hour}:${p.minute}:${p.second}`;
}

export function moment(ms, zone) {
  if (!ms) return "–";
  const p = parts(ms, zone);
  return `${p.year}-${p.month}-${p.day} ${p.hour}:${p.minute}:${p.second}`;
}

export function zoneName(zone) {
  return zone === "utc" ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone;
}

export function age(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "–";
  const s = Math.max(0, seconds);
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 120) return `${Math.round(s)} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  if (s < 172800) return `${(s / 3600).toFixed(1)} h`;
  return `${Math.round(s / 86400)} days`;
}

export function number(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size !== 0 && size < 0.001) return value.toPrecision(4);
  const digits = size >= 1000 ? 2 : size >= 1 ? 4 : 6;
  return value.toLocaleString("en-US", { maximumFractionDigits: digits });
}

export function rate(value) {
  if (value === null || value === undefined) return "–";
  return `${value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toFixed(1)}/s`;
}

export function percent(value) {
  if (value === null || value === undefined) return "–";
  return `${value >= 0 ? "+" : "−"}${Math.abs(value * 100).toFixed(2)} %`;
}

const units = { s: 1e3, m: 60e3, h: 3600e3, d: 86400e3, w: 604800e3 };

/** Milliseconds of an interval such as 1m or 1w@monday; null for one that is not known. */
export function intervalMs(text) {
  const found = /^(\d+)([smhdw])(@.*)?$/.exec(text);
  return found ? Number(found[1]) * units[found[2]] : null;
}
