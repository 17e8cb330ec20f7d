"""What no exchange should send, for tests of everything that reads exchanges' input."""

import json

_DEEP = "[" * 20_000 + "]" * 20_000
_DIGITS = "9" * 1_200_000

# One trade in each exchange's form; a case spoils one value of it.
_FORMS = {
    "kraken": (
        '{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"buy",'
        '"price":PRICE,"qty":1,"ord_type":"market","trade_id":ID,"timestamp":"TIME"}]}'
    ),
    "coinbase": (
        '{"type":"match","trade_id":ID,"side":"sell","size":"1","price":"PRICE",'
        '"product_id":"BTC-USD","time":"TIME"}'
    ),
    "binance": (
        '{"e":"trade","E":MILLIS,"s":"BTCUSDT","t":ID,"p":"PRICE","q":"1","T":MILLIS,"m":true}'
    ),
    "bitstamp": (
        '{"data":{"id":ID,"timestamp":"1","amount_str":"1","price_str":"PRICE","type":0,'
        '"microtimestamp":"MILLIS000"},"channel":"live_trades_btcusd","event":"trade"}'
    ),
    "okx": (
        '{"arg":{"channel":"trades-all","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT",'
        '"tradeId":"ID","px":"PRICE","sz":"1","side":"buy","ts":"MILLIS"}]}'
    ),
}
_GOOD = {"PRICE": "2.5", "ID": "7", "TIME": "2026-01-05T12:00:00Z", "MILLIS": "1767614400000"}
_SPOILED: dict[str, dict[str, str]] = {
    "underscore in a price": {"PRICE": "1_000"},
    "full-width digits": {"PRICE": "\uff11\uff12"},
    "arabic digits": {"PRICE": "\u0663"},
    "space in a price": {"PRICE": "1 1"},
    "sign in a price": {"PRICE": "+1"},
    "price of zero": {"PRICE": "0"},
    "negative price": {"PRICE": "-1"},
    "huge exponent": {"PRICE": "1e999999"},
    "1.2 MB number": {"PRICE": _DIGITS},
    "price not a number": {"PRICE": "NaN"},
    "id of 20 digits": {"ID": "9" * 20},
    "id with an exponent": {"ID": "1e5"},
    "id of a boolean": {"ID": "true"},
    "negative id": {"ID": "-1"},
    "400-digit time": {"MILLIS": "1" * 400, "TIME": "1" * 400},
    "time before 2009": {"MILLIS": "946684800000", "TIME": "2000-01-01T00:00:00Z"},
    "time of year 9000": {"MILLIS": "221845392000000", "TIME": "9000-01-01T00:00:00Z"},
    "time without an offset": {"MILLIS": "1767614400", "TIME": "2026-01-05T12:00:00"},
    "time in another script": {"MILLIS": "\u0661767614400000", "TIME": "\uff12026-01-05T12:00:00Z"},
}


def _spoiled(form: str, changes: dict[str, str]) -> str:
    for name, value in (_GOOD | changes).items():
        form = form.replace(name, value)
    return form


#: A frame with one good trade, of each exchange that has a form here.
GOOD_FRAMES = {exchange: _spoiled(form, {}) for exchange, form in _FORMS.items()}

#: Frames by what is wrong with them; each adapter is given the forms of all exchanges.
HOSTILE_FRAMES: dict[str, str | bytes] = {
    "nothing": "",
    "not JSON": "<html>",
    "number": "17",
    "null": "null",
    "array": "[]",
    "string": '"trade"',
    "bad UTF-8": b'{"channel":"\xff\xfe","type":"\xff"}',
    "deep": _DEEP,
    "deep in a field": '{"channel":"trade","type":"match","e":"trade","data":' + _DEEP + "}",
    "deep result": '{"id":1,"result":' + _DEEP + "}",
    "refusal of a symbol nobody asked for": json.dumps(
        {"method": "subscribe", "success": False, "error": "Currency pair not supported X/Y"}
    ),
    **{
        f"{case} ({exchange})": _spoiled(form, changes)
        for exchange, form in _FORMS.items()
        for case, changes in _SPOILED.items()
    },
}

#: Bodies of REST history.
HOSTILE_BODIES: dict[str, bytes] = {
    "nothing": b"",
    "web page": b"<!DOCTYPE html><html><title>Just a moment...</title></html>",
    "null": b"null",
    "number": b"1e999999",
    "text": b'"x"',
    "bad UTF-8": b'{"error":[],"result":{"X":[["\xff"]],"last":"\xff"},"data":["\xff"]}',
    "deep": _DEEP.encode(),
    "deep in a field": b'{"error":[],"code":"0","result":{"X":%(d)s},"data":%(d)s}'
    % {b"d": _DEEP.encode()},
    "array of null": b"[null]",
    "array of arrays": b"[[]]",
    "object of everything": b'{"error":[],"code":"0","msg":"","result":{},"data":{}}',
    "last out of range": b'{"error":[],"result":{"X":[],"last":1e999999}}',
    "last of 5000 digits": b'{"error":[],"result":{"X":[],"last":"%s"}}' % (b"9" * 5_000),
    "error of another type": b'{"error":{"a":1},"code":17,"msg":[],"result":[]}',
    "cut": b'{"error":[],"code":"0","result":{"X":[["1","1",17',
    "rows that are no trades": (
        b'{"error":[],"code":"0","result":{"X":[[],["1_0","1",1.0,"b","l","",1],'
        b'["1","1",1e999999,"b","l","",2],["1","1",true,"b","l","",3]],"last":"1"},'
        b'"data":[{"tradeId":"1_0"},{"tradeId":"1","px":"1_0","sz":"1","side":"buy","ts":"1"}]}'
    ),
    "rows of others": (
        b'[{"trade_id":1,"side":"buy","size":"1_0","price":"1","time":"x"},'
        b'{"id":1,"price":"1_0","qty":"1","time":1,"isBuyerMaker":true},'
        b'{"date":"1","tid":"1_0","price":"1","type":"0","amount":"1"}]'
    ),
}
