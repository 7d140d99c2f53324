"""What is computed: functions of functions of tensors; nothing here knows ONNX, files or terminals."""
