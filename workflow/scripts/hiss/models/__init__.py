"""Decision tree, LightGBM and VGGNet12 behind one interface, and their fusions."""
