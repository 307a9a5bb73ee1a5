"""RPC: two-way calls between processes, pages and threads (protocol/RPC.md)."""
