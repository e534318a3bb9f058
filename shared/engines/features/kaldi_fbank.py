"""Kaldi's log-mel filter banks, as published speaker encoders were trained with them."""

from __future__ import annotations

from typing import Literal

import kaldi_native_fbank
import numpy as np

from shared.ports.media import SAMPLE_RATE, Floats

BANDS = 80
FRAME = SAMPLE_RATE // 40  # samples


def fbank(samples: Floats, window: Literal["hamming", "povey"]) -> Floats:  # (frame, band)
    """Log energies of every whole frame of 25 ms, every 10 ms, without dither; at least one frame of samples."""
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.window_type = window
    options.mel_opts.num_bins = BANDS
    bank = kaldi_native_fbank.OnlineFbank(options)
    bank.accept_waveform(SAMPLE_RATE, samples.tolist())
    bank.input_finished()
    return np.stack([bank.get_frame(number) for number in range(bank.num_frames_ready)])
