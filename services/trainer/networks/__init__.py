"""Emotion networks in torch with one contract: masked tensors in, logits out."""
