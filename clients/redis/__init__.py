"""The door to Redis: keys, scripts, and the store that is put together from them."""
