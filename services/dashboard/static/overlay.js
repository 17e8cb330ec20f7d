/** What is drawn over the candles: hatching of incomplete ones, and where live took over. */

class Renderer {
  constructor(overlay) { this.overlay = overlay; }

  draw(target) {
    const { chart, series, hatched, since, label, colors } = this.overlay;
    if (!chart || (!hatched.length && !since)) return;
    target.useBitmapCoordinateSpace(({ context, bitmapSize, horizontalPixelRatio: h, verticalPixelRatio: v }) => {
      const scale = chart.timeScale();
      const x = (ms) => scale.timeToCoordinate(Math.floor(ms / 1000));
      const half = Math.max(2, scale.options().barSpacing * 0.4);
      context.save();
      context.strokeStyle = colors.text;
      context.lineWidth = h;
      for (const row of hatched) {
        const at = x(row.start);
        const top = series.priceToCoordinate(row.high); const bottom = series.priceToCoordinate(row.low);
        if (at === null || top === null || bottom === null) continue;
        this.hatch(context, (at - half) * h, (top - 3) * v, 2 * half * h, (bottom - top + 6) * v, 5 * h);
      }
      const at = since ? x(since) : null;
      if (at !== null) {
        // Between the last window of the history and the first live one.
        const line = Math.round((at - scale.options().barSpacing / 2) * h);
        context.strokeStyle = context.fillStyle = colors.open;
        context.setLineDash([5 * v, 4 * v]);
        context.beginPath(); context.moveTo(line, 0); context.lineTo(line, bitmapSize.height); context.stroke();
        context.font = `${11 * v}px system-ui, sans-serif`;
        context.fillText(label, line + 5 * h, 14 * v);
      }
      context.restore();
    });
  }

  hatch(context, left, top, width, height, gap) {
    context.save();
    context.beginPath(); context.rect(left, top, width, height); context.clip();
    context.beginPath();
    for (let from = -height; from < width; from += gap) {
      context.moveTo(left + from, top + height); context.lineTo(left + from + height, top);
    }
    context.stroke();
    context.restore();
  }
}

/** A primitive of the candles' series. */
export class Overlay {
  constructor() {
    this.hatched = []; this.since = null; this.label = ""; this.colors = {};
    const renderer = new Renderer(this);
    this.views = [{ zOrder: () => "top", renderer: () => renderer }];
  }

  attached({ chart, series, requestUpdate }) { this.chart = chart; this.series = series; this.requestUpdate = requestUpdate; }

  detached() { this.chart = null; }

  updateAllViews() { /* the renderer reads what is shown when it draws */ }

  paneViews() { return this.views; }

  show(what) { Object.assign(this, what); this.requestUpdate?.(); }
}
