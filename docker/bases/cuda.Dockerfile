# For nvidia/cuda, which also contains no Python. It has no CUDA.
ARG FROM
FROM ${FROM}
