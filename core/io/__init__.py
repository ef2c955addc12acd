"""The only rooms with await, trio, sockets, TLS, httpx, clocks and files."""
