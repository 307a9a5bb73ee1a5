"""Render: pictures of layers in plain numpy, and the rules that every renderer follows."""
