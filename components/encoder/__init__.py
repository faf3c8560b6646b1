"""Any Hugging Face encoder as a text classifier: `finetune` trains and exports it, `onnx_encoder` serves it without torch."""
