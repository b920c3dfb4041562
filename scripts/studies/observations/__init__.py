"""The study of the article's observations, and of the project's claims about overload and
isolation: an experiment each, in a file each, with a criterion that was fixed beforehand.

A new one is a class derived from Experiment (experiment.py) and a line here.
"""

from studies.observations.burst import Burst
from studies.observations.endurance import Endurance
from studies.observations.futex import Futex
from studies.observations.isolation import Isolation
from studies.observations.on_demand import OnDemand
from studies.observations.overload import Overload
from studies.observations.readers import Readers
from studies.observations.real_time import RealTime
from studies.observations.socket_buffer import SocketBuffer
from studies.observations.worker_queue import WorkerQueue

EXPERIMENTS = (WorkerQueue(), OnDemand(), Endurance(), Futex(), RealTime(), SocketBuffer(), Burst(),
               Overload(), Isolation(), Readers())
STUDIES = tuple(experiment.study() for experiment in EXPERIMENTS)
