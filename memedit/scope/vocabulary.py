"""Words that tell names from other words, and names of persons from other names."""

from __future__ import annotations

# Capitalised at the start of a sentence, these are no names.
FUNCTION_WORDS = frozenset(
    """a about after all also am an and any are as at be been before but by can could did do
    does for from had has have he her here him his how i if in into is it its me more my no
    nor not now of off on once one only or other our out over own same she so some such than
    that the their them then there these they this those to too under until up us very was
    we were what when where which while who whom whose why will with would you your""".split()
)

# Before a name, these are no part of it.
TITLES = frozenset(
    """mr mrs ms miss dr prof professor president king queen prince princess pope sir lord lady
    saint st captain general colonel senator minister chancellor judge bishop emperor sultan
    coach author actor actress singer footballer player painter composer director the""".split()
)

# Last words that make a name no person's, so that the last word alone does not stand for it.
COMMON_HEADS = frozenset(
    """academy agency airlines airport album alliance ardu army association award awards band
    bank basin battle bay bridge building bus canal canton cape cathedral cemetery center
    central centre championship channel church city class club coast college committee
    company conference contest corporation council county creek cup desert district division
    election empire era expedition express falls family federation festival film fleet
    foundation gallery games glacier government governorate group hall harbour highway hill
    hills hospital house inc institute international island islands isles kingdom lake land
    league library line lines ltd magazine mall marathon medal ministry mountain mountains
    movement municipality museum national network news newspaper north ocean office open
    orchestra organization palace parish park party peninsula people plateau point
    prefecture press prize province railway range records region republic revolution ridge
    river road school sea season series service session show society south square stadium
    state states station street studio studios summit system team temple territory test
    theatre times tower town township treaty trophy union united university valley village
    war water west east woods world zone one two three""".split()
)

# First words of the names of places.
PLACE_STARTS = frozenset(
    """north south east west northern southern eastern western new old saint st san santa sao
    los las el la fort port lake monte mount mt cape great lower upper central united
    republic""".split()
)

# Words of surnames that are not capitalised.
PARTICLES = frozenset(
    """al ben bin da de del della den der di do dos du el la le van von zu""".split()
)
