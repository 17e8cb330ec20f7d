"""Which exchange, and which of its products."""

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from ohlc_core.plugins import EXCHANGES as PLUGINS
from ohlc_core.plugins import one_of
from ohlc_core.service.setting_groups import TextList
from ohlc_core.service.settings import EnvSettings
from ohlc_exchanges.registry import EXCHANGES, adapter_for

EXCHANGES_TEXT = f"{', '.join(EXCHANGES)}, or that of an installed package"
#: The name of an exchange in the registry.
ExchangeName = Annotated[str, AfterValidator(one_of(EXCHANGES, PLUGINS, "exchange"))]


class ProductSettings(EnvSettings):
    """The exchange and its products."""

    exchange: ExchangeName = Field("kraken", description=EXCHANGES_TEXT)
    product_ids: TextList = Field(
        ("BTC/USD", "ETH/USD"),
        min_length=1,
        description="comma-separated products in the exchange's spelling, e.g. BTC/USD,ETH/USD",
    )
    exchange_ws_url: str = Field(
        "",
        pattern=r"^(wss?://.+)?$",
        description="websocket address instead of the exchange's own: ws:// or wss://",
    )
    exchange_rest_url: str = Field(
        "",
        pattern=r"^(https?://.+)?$",
        description="REST address instead of the exchange's own: http:// or https://",
    )

    @model_validator(mode="after")
    def _each_product_once(self) -> "ProductSettings":
        adapter = adapter_for(self.exchange)
        spellings: dict[str, str] = {}
        for product in self.product_ids:
            symbol = adapter.symbol(product)
            if symbol in spellings:
                raise ValueError(
                    f"PRODUCT_IDS names one product twice: {spellings[symbol]!r} and {product!r} "
                    f"are both {symbol} at {self.exchange}; keep one of them"
                )
            spellings[symbol] = product
        return self
