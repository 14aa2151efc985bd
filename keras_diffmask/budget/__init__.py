"""Budgets: the user states what the device affords, never a penalty."""

from keras_diffmask.budget.budget import Budget as Budget
from keras_diffmask.budget.charge import LOWEST as LOWEST
from keras_diffmask.budget.charge import unit_costs as unit_costs
from keras_diffmask.budget.controller import BudgetController as BudgetController
from keras_diffmask.budget.decision import Limit as Limit
from keras_diffmask.budget.decision import check_reachable as check_reachable
from keras_diffmask.budget.decision import decide as decide
from keras_diffmask.budget.decision import warn_if_free as warn_if_free
