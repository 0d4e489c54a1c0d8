# KD where few scans have labels: the teacher outweighs the task, whose few labels a student soon
# knows by heart. Found by a search on procedural rooms (studies/plans/rooms-few-labels-search.toml):
# below this weight the student loses, above it nothing is gained; T=2 ends lower.
_base_ = './kd.py'
distill = dict(terms=dict(kd=dict(loss=dict(temperature=1.0, loss_weight=10.0))))
