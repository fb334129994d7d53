"""Frames of videos and the sound that goes with them: the study of scenes."""
