"""The control: members of the pool at random."""

from replay import AtRandom

METHODS = {"random": AtRandom}
