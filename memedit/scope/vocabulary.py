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

# Beside the titles, words that come and go around a name without changing whom it means.
HONORIFICS = TITLES | frozenset(
    """admiral archbishop ayatollah baron baroness brigadier brother cardinal chief colonel
    commander count countess dame don doctor duchess duke earl esq father frau general hajji herr
    hon honorable honourable imam infanta infante maharaja major marquess marquis maulana mayor md
    mme monsieur mother obe phd qc rabbi rev reverend senor senora sergeant shah sheikh shri sister
    sri swami tsar viscount""".split()
)

# Words that say what kind of company a name is.
COMPANY_WORDS = frozenset(
    """ag co company corp corporation enterprises gmbh group holding holdings inc incorporated
    kk limited llc ltd nv plc sa""".split()
)

# At the start of a sentence, capitalised verbs that ask for something.
IMPERATIVES = frozenset(
    """answer complete describe explain find fill give identify list mention name please say
    show specify state suggest tell write""".split()
)

# Words that mean the same within a name, one set a line.
SAME_WORDS = """
mount mt mountain
saint st san santa sankt sainte ste
street st str
fort ft
doctor dr
junior jr
senior sr
professor prof
general gen
captain capt
lieutenant lt
sergeant sgt
colonel col
major maj
admiral adm
governor gov
president pres
senator sen
reverend rev
brothers bros
company co
corporation corp
incorporated inc
limited ltd
university univ universidad universitat universite universita
institute inst institut instituto
international intl
national natl
department dept
association assn assoc
federation fed
government govt
center centre ctr
theater theatre
harbor harbour
championship championships champs
republic rep
island isle
islands isles
north northern
south southern
east eastern
west western
united utd
football soccer
film movie
and und et y
the le la les el los der die das il
of de du di da des von van del della
new nouveau nueva nuevo
great grand
muhammad mohammed mohamed mohammad muhammed md mohd
"""

# Short forms of given names, one name with its forms a line; a form may stand in several.
DIMINUTIVES = """
abraham abe
albert al bert bertie
alexander alex sandy sasha alec xander aleksandr alejandro alessandro
alexandra alex sandra sasha lexi
alfred alf alfie fred
andrew andy drew andrei andrey andre andreas
anthony tony antony anton antonio antoine
archibald archie
arthur art artie
barbara barb babs
benjamin ben benny benji
bernard bernie
bradley brad
catherine cathy kate katie kathy cate kitty katherine kathryn catharine katharine ekaterina
charles charlie chuck carl karl carlos chas
christine chris tina chrissy christina kristina kristin
christopher chris topher kit kris christoph christophe
clifford cliff
cynthia cindy
daniel dan danny
david dave davy
deborah debbie deb debra
dennis denny
diana di
donald don donny donnie
dorothy dot dottie dolly
douglas doug
edward ed eddie ted teddy ned eduard eduardo
elizabeth liz lizzie beth betty bess eliza lisa libby elisabeth betsy
eleanor nell ellie nora
emily em emma
ernest ernie
eugene gene evgeny yevgeny
francis frank fran francisco francesco
frances fran fanny frankie
franklin frank
frederick fred freddie freddy fritz friedrich rick
gabriel gabe
george georgie jorge georg georges jurgen
gerald gerry jerry
gregory greg
harold harry hal
helen nell nellie elena
henry harry hank hal henri heinrich enrique
herbert herb bert
isabella bella izzy isabel isabelle
jacob jake jack jakob
jacqueline jackie
james jim jimmy jamie jem
janet jan
jeffrey jeff geoffrey geoff
jennifer jen jenny
jerome jerry
jessica jess jessie
jesus chucho
john jack johnny jon johann johan jan ivan juan jean giovanni johannes jonny
jonathan jon jonny
joseph joe joey josef jose pepe giuseppe
joshua josh
judith judy
katherine kate katie kathy kitty catherine
kenneth ken kenny
laurence larry lawrence laurie
leonard len lenny leo
leonardo leo
lewis lew louis lou luis louie
lionel leo
louise lou
lucas luke luc lukas
margaret maggie meg peggy marge greta margarita rita
maria mary marie mia
martha marty patty
martin marty
mary molly polly mae may mamie
matthew matt matty mathew mathias
maximilian max maximiliano
maxwell max
melinda mel lindy
melvin mel
michael mike mick mickey micky mikey mikhail miguel michel mischa misha
natalie nat natasha nathalie natalia
nathaniel nat nate nathan
nicholas nick nicky nikolai nicolas nikolaus nicola klaus nico
oliver ollie
pamela pam
patricia pat patty trish tricia
patrick pat paddy
paul pablo paolo pavel
pauline polly
peter pete pyotr petr pedro pierre piotr petrus
philip phil pip phillip felipe philippe
rachel rae shelly
raymond ray
rebecca becky becca
richard dick rick ricky rich richie ricardo
robert rob bob bobby robbie bert roberto
roger rodge
ronald ron ronnie ronny
rosemary rosie
rudolf rudi ruedi rolf rudy rudolph
russell russ
samantha sam
samuel sam sammy
sarah sally sadie sara
stanley stan
stephanie steph
stephen steve stevie steven stefan esteban stephane stephan
susan sue susie suzy susanna suzanne
sylvester sly
terence terry terrence
theodore ted teddy theo
theresa tess terry tessa teresa
thomas tom tommy tomas
timothy tim timmy
valentina valya
valerie val
victor vic viktor
victoria vicky vicki tori
vincent vince vinnie
virginia ginny
vladimir vova volodya
walter walt wally
william bill billy will willy willie liam wilhelm guillermo guillaume
winston win winnie
yelena lena elena
zachary zach zack
"""
