"""Emotion networks in torch, all behind one contract: masked tensors in, logits out."""
