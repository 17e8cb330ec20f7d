"""The feature store in Hopsworks: its writer and its reader."""
