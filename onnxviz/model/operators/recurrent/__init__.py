"""Recurrent layers: RNN, GRU and LSTM in floats, and DynamicQuantizeLSTM in eight bits."""
