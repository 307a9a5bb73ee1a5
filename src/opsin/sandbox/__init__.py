"""Sandbox: how a worker narrows itself, before anything runs in it that is not Opsin's or Python's.

What is here needs the standard library alone, and of that only modules that load in no time: it
adds to the start of every worker. So types are imported for the type checker only.
"""
