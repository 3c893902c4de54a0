"""Stand-ins for mypyc's machine integers and vectors of bytes, where nothing is compiled.

The stub beside this file says what they are for the compiler.
"""

u8 = int
i64 = int
vec = {u8: bytearray}
