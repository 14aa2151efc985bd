"""Surgery: take out what the gates have closed, out of place."""

from keras_diffmask.export.surgery.carry import carry_optimizer as carry_optimizer
from keras_diffmask.export.surgery.plan import Plan as Plan
from keras_diffmask.export.surgery.plan import PlanRow as PlanRow
from keras_diffmask.export.surgery.recalibrate import recalibrate as recalibrate
from keras_diffmask.export.surgery.strip import plan as plan
from keras_diffmask.export.surgery.strip import strip as strip
