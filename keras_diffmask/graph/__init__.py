"""Which channels of a model live and die together."""

from keras_diffmask.graph.channel_graph import ChannelGraph as ChannelGraph
from keras_diffmask.graph.channel_graph import count as count
from keras_diffmask.graph.channel_graph import trace as trace
from keras_diffmask.graph.channel_graph import without_macs as without_macs
from keras_diffmask.graph.groups import Group as Group
from keras_diffmask.graph.groups import Groups as Groups
from keras_diffmask.graph.groups import group as group
from keras_diffmask.graph.left import parameters_left as parameters_left
from keras_diffmask.graph.left import shrunk_weights as shrunk_weights
from keras_diffmask.graph.left import what_stays as what_stays
from keras_diffmask.graph.proof import ClosedBranch as ClosedBranch
from keras_diffmask.graph.proof import Proof as Proof
from keras_diffmask.graph.proof import prove as prove
from keras_diffmask.graph.rule import Channelwise as Channelwise
from keras_diffmask.graph.rule import Cut as Cut
from keras_diffmask.graph.rule import Hold as Hold
from keras_diffmask.graph.rule import Rule as Rule
from keras_diffmask.graph.rule import Step as Step
from keras_diffmask.graph.rule import Term as Term
from keras_diffmask.graph.rule import register as register
from keras_diffmask.graph.rule import rule_for as rule_for
