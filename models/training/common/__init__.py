"""What the trainings share: settings from TOML, runs that survive an interruption, ONNX files, plots, sprites."""
