"""ImJoy's plugins, as the host runs them: see protocol/IMJOY.md.

`desk` is what one face (a page, napari, a terminal) has loaded; `api` answers what plugins call;
`native` and `frame` are what runs a plugin, in a worker or in the page.
"""
