"""Hooks and loops; the training script does not know that distillation exists."""

from .accumulated_gradients_hook import AccumulatedGradientsHook
from .batch_composition_hook import BatchCompositionHook
from .distill_checkpoint_hook import DistillCheckpointHook
from .distill_schedule_hook import DistillScheduleHook
from .every_weight_hook import EveryWeightHook
from .fake_quant_hook import FakeQuantHook
from .finite_loss_hook import FiniteLossHook
from .finite_step.hook import FiniteStepHook, NonFiniteLossError
from .gradient_log_hook import GradientLogHook
from .owed_validation_hook import OwedValidationHook
from .reestimate_batch_norm_hook import ReestimateBatchNormHook
from .reseed_hook import ReseedHook
from .same_network_hook import SameNetworkHook
from .stop_hook import StopHook
from .teacher_guided_init_hook import TeacherGuidedInitHook
from .teacher_val_loop import TeacherValLoop

__all__ = [
    'AccumulatedGradientsHook',
    'BatchCompositionHook',
    'DistillCheckpointHook',
    'DistillScheduleHook',
    'EveryWeightHook',
    'FakeQuantHook',
    'FiniteLossHook',
    'FiniteStepHook',
    'GradientLogHook',
    'NonFiniteLossError',
    'OwedValidationHook',
    'ReestimateBatchNormHook',
    'ReseedHook',
    'SameNetworkHook',
    'StopHook',
    'TeacherGuidedInitHook',
    'TeacherValLoop',
]
