"""What runs in the worker of an ImJoy plugin: its code, and the `api` that it imports.

`runtime` executes the plugin, `api` is what it calls, `values` are what travels. Like
`opsin.worker_main` this needs the standard library, NumPy, msgspec and `opsin.rpc`, nothing else.
"""
