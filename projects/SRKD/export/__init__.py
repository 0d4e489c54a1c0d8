"""Students for other run times: ONNX, in float32 and 8 bits, and what runs it without torch.

``graphs`` are networks as functions of tensors, ``exportable`` chooses one or says what is in the
way, ``onnx_file`` and ``int8`` write, ``measured`` compares, ``student_out`` does all of it.
``onnx_student`` is copied to where the student works and imports nothing from here.
"""
