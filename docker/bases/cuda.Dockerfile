# For nvidia/cuda, which brings no Python either. It has no CUDA.
ARG FROM
FROM ${FROM}
