"""The rules, without input or output: masks, the model, the seed syntax, the allocator and the plan.

Nothing in this package imports os, asyncio, logging or a D-Bus library. Values go in, values come out.
"""
