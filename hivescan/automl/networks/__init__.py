"""Networks trained further, whole or by LoRA, and small ones that learn from several."""
