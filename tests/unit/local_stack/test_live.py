"""What a live run leaves in its folder for others."""

from local_stack import live


def test_published_settings_hold_no_address_with_a_secret() -> None:
    published = live._published_settings(
        {
            "EXCHANGE_WS_URL": "ws://127.0.0.1:1/ws",
            "EXCHANGE_REST_URL": "http://user:s3cret@127.0.0.1:2",
            "FEATURE_STORE": "local",
            "FEATURE_STORE_URL": "postgresql://reader@db/market?password=s3cret",
        }
    )
    assert published == {"FEATURE_STORE": "local", "EXCHANGE_WS_URL": "ws://127.0.0.1:1/ws"}
