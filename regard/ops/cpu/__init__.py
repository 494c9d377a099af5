"""CPU kernels of the shared operations, in Python through Numba, and what carries them.

Order: compiling, openmp, threads, kernel, layout, reducing, sweeping, modulation, squeezing,
fusing, gating, attention, warping, operators.

Nothing here is imported before the first tensor that is worth a kernel; Numba then compiles to
machine code, which is kept on disk. The plain forms in the folder above are the definition.
"""
