"""The student trains rounded, stays the plain student, and is near what 8 bits make of it."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import Hook
from torch import nn
from toy import build, minkunet
from toy_detectors import scenes
from toy_export import anchors, toy

from projects.SRKD.base import UsageError, UsageTypeError
from projects.SRKD.engine import FakeQuantHook
from projects.SRKD.engine.fake_quant_hook import KEY, RoundedConv
from projects.SRKD.export.exportable import graph_of
from projects.SRKD.export.int8 import write_int8
from projects.SRKD.export.measured import output_error
from projects.SRKD.export.onnx_file import write_onnx
from projects.SRKD.export.onnx_student import OnnxStudent
from projects.SRKD.export.student_out import in_torch


def run_of(model, epoch=0):
    return SimpleNamespace(model=model, epoch=epoch)


def started(hook, model, epoch=0):
    runner = run_of(model, epoch)
    hook.before_train(runner)
    hook.before_train_epoch(runner)
    return runner


def loss_of(network):
    data = network.data_preprocessor(scenes((300, 200)), True)
    return sum(map(sum, network.loss(data['inputs'], data['data_samples']).values()))


def test_gradients_reach_every_weight_and_no_key_is_new():
    torch.manual_seed(0)
    network = build(anchors())
    keys = list(network.state_dict())
    plain = float(loss_of(network))
    hook = FakeQuantHook()
    runner = started(hook, network)
    loss = loss_of(network)
    assert float(loss) != plain and float(loss) == pytest.approx(plain, rel=0.1)
    loss.backward()
    assert all(weight.grad.abs().sum() > 0 for weight in network.parameters())
    assert list(network.state_dict()) == keys
    hook.after_train(runner)
    assert float(loss_of(network)) == pytest.approx(plain, rel=1e-5)


def test_it_begins_with_its_epoch_and_takes_the_student_of_a_distillation():
    holder = nn.Module()
    holder.student, holder.teacher = build(anchors()), build(anchors())
    hook = FakeQuantHook(begin=2)
    started(hook, holder, epoch=1)
    assert not any('forward' in vars(module) for module in holder.modules())
    hook.before_train_epoch(run_of(holder, epoch=2))
    rounded = {name for name, module in holder.named_modules() if 'forward' in vars(module)}
    assert rounded and all(name.startswith('student.') for name in rounded)
    kinds = {type(holder.get_submodule(name)).__name__ for name in rounded}
    assert kinds == {'Conv2d', 'ConvTranspose2d'}


def test_ranges_move_in_training_alone_and_outlive_a_run():
    conv = nn.Conv2d(1, 1, 1)
    one = RoundedConv(conv, momentum=0.25)
    one(torch.tensor([[[[0.0, 4.0]]]]))
    one(torch.tensor([[[[-4.0, 8.0]]]]))
    assert one.range == (-1.0, 5.0)
    conv.eval()
    one(torch.tensor([[[[-40.0, 80.0]]]]))
    assert one.range == (-1.0, 5.0)

    network = build(anchors())
    hook = FakeQuantHook()
    runner = started(hook, network)
    loss_of(network)
    saved = {}
    hook.before_save_checkpoint(runner, saved)
    assert saved[KEY] and all(low < high for low, high in saved[KEY].values())
    again = FakeQuantHook()
    again.after_load_checkpoint(runner, saved)
    again.before_train(runner)
    assert {name: list(one.range) for name, one in again.rounded.items()} == saved[KEY]


def test_a_rounded_student_is_what_is_exported(tmp_path):
    """Else the terms would train something that nobody ships."""
    one = toy('anchors')
    with torch.no_grad():  # maps that say more than their bias
        for name in ('conv_cls', 'conv_reg', 'conv_dir_cls'):
            getattr(one.network.bbox_head, name).weight.normal_()
    graph = graph_of(one.network).eval()
    scan = dict(zip(graph.sizes, (value.numpy() for value in graph.inputs(one.voxels(300)))))
    write_onnx(graph, tmp_path / 'student.onnx', {})
    write_int8(tmp_path / 'student.onnx', tmp_path / 'small.onnx', [scan])
    small = OnnxStudent(tmp_path / 'small.onnx', threads=1).run(scan)
    hook = FakeQuantHook()
    runner = run_of(one.network)
    hook.before_train(runner)
    watches = [watch(rounded) for rounded in hook.rounded.values()]
    plain = in_torch(graph, scan)
    for each in watches:
        each.remove()
    hook.before_train_epoch(runner)
    rounded = in_torch(graph, scan)
    assert output_error([rounded], [small]) < 0.3 * output_error([plain], [small])


def watch(rounded):
    """Let a convolution that is not rounded yet tell the range of its input."""

    def tell(module, inputs):
        rounded.range = tuple(torch.stack(inputs[0].aminmax()).tolist())

    return rounded.conv.register_forward_pre_hook(tell)


def test_mistakes_are_told():
    with pytest.raises(UsageError, match='begin of FakeQuantHook must be an epoch .*, but got -1'):
        FakeQuantHook(begin=-1)
    with pytest.raises(UsageError, match=r'momentum of FakeQuantHook must lie in \(0, 1\], but g'):
        FakeQuantHook(momentum=0)
    with pytest.raises(UsageTypeError, match='must have 2D convolutions, but got MinkUNet'):
        FakeQuantHook().before_train(run_of(build(minkunet())))
    assert issubclass(FakeQuantHook, Hook)
