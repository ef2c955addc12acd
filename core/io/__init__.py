"""The only layer with await, trio, sockets, TLS, httpx, clocks and files."""
