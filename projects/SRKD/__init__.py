"""SRKD: knowledge distillation for 3D point clouds, as a plugin of MMDetection3D."""
