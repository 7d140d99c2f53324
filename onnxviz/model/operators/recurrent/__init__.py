"""RNN, GRU and LSTM, in floats and in eight bits."""
