"""Words that tell what kind of thing a name or a pronoun stands for."""

from __future__ import annotations

# Nouns that stand for a thing of a kind: "that club", "my dad", "the film Alien".
MALE_NOUNS = frozenset(
    """man men boy guy dad father brother son husband uncle grandfather grandpa nephew
    boyfriend gentleman king prince duke emperor sultan policeman fireman businessman
    widower lord sir mr""".split()
)
FEMALE_NOUNS = frozenset(
    """woman women girl lady mum mom mother sister daughter wife aunt grandmother grandma niece
    girlfriend queen princess duchess empress actress policewoman businesswoman widow mrs ms
    miss""".split()
)
PERSON_NOUNS = frozenset(
    """person player footballer actor singer author writer artist politician scientist athlete
    painter composer physicist chemist mathematician astronomer director poet musician
    striker midfielder defender goalkeeper champion gymnast novelist playwright philosopher
    architect engineer inventor rapper guitarist pianist drummer violinist cellist dancer
    comedian journalist lawyer judge doctor nurse teacher professor student pupil boss
    neighbour neighbor colleague friend cousin partner child kid baby parent president
    minister chancellor senator mayor coach manager captain ceo founder officer general
    soldier priest pope bishop saint explorer astronaut celebrity swimmer runner sprinter
    boxer driver cyclist golfer wrestler skater surgeon somebody someone anybody anyone
    everybody everyone nobody stranger customer client spouse sibling twin relative hero""".split()
)
# Of these, "the mayor" or "that wife" is somebody's: it brings up a person who was not named.
RELATIONAL_NOUNS = frozenset(
    """president minister chancellor senator mayor coach manager captain ceo founder officer
    king queen director producer capital boss father mother brother sister son daughter
    husband wife spouse uncle aunt neighbour neighbor teacher doctor owner partner""".split()
)
COUNTRY_NOUNS = frozenset("country nation state kingdom republic".split())
CITY_NOUNS = frozenset("city town village metropolis municipality capital".split())
PLACE_NOUNS = frozenset(
    """island region province county district area continent peninsula archipelago river lake
    mountain sea ocean valley desert volcano territory""".split()
)
GROUP_NOUNS = frozenset(
    """club team side band company firm corporation startup business party organisation
    organization university college school academy agency institution institute orchestra
    choir newspaper airline bank brand manufacturer publisher label network group""".split()
)
WORK_NOUNS = frozenset(
    """book novel film movie song show series album play poem painting story opera symphony
    musical masterpiece magazine sitcom documentary sculpture comic trilogy""".split()
)
THING_NOUNS = frozenset(
    """product language programme program software app car phone device drug game console
    laptop computer machine aircraft plane ship engine browser""".split()
)

# What only things of one kind have: "its capital" is a country's, "the author" a work's.
PERSON_ROLES = frozenset(
    """wife husband spouse mother father parents parent son daughter children child brother
    sister siblings birthplace birth birthday nationality citizenship occupation profession
    job religion tongue hometown genre employer instrument salary childhood career grave death
    alma""".split()
)
COUNTRY_ROLES = frozenset(
    "capital currency anthem president minister king queen monarch flag parliament".split()
)
CITY_ROLES = frozenset("mayor suburbs subway".split())
ANY_PLACE_ROLES = frozenset(
    "population climate continent governor inhabitants neighbours neighbors borders".split()
)
GROUP_ROLES = frozenset(
    """coach manager captain stadium genre ceo cfo chairman chairwoman chairperson chair
    founder founders headquarters league lineup members shareholders employees executive
    frontman singer drummer trainer boss owner president director leader""".split()
)
WORK_ROLES = frozenset(
    """author writer director publisher genre cast composer plot producer screenwriter
    soundtrack protagonist sequel narrator illustrator ending""".split()
)
THING_ROLES = frozenset("developer developers manufacturer maker inventor price producer".split())

# Given names that nearly always go to one gender; as first word of a longer name they tell it.
MALE_NAMES = frozenset(
    """aaron abraham adam adolf adrian ahmed alan albert alessandro alexander alexei alfred ali
    andre andreas andrew andy angus anthony antoine anton antonio armand arnold arthur
    august barack ben benjamin bernard bernd bill björn bob boris brad brian bruce bruno
    carl carlos charles christian christopher claude clint conrad cristiano daniel david
    dennis diego dirk dmitri donald douglas edgar edmund eduardo edward elon emmanuel
    enrique eric erik ernest ernst erwin eugene felix fernando francisco francois frank
    franklin franz fred frederick friedrich gareth gary geoffrey georg george gerald gerard
    giovanni giuseppe graham gregory guillermo gustav hans harold harry heinrich henri henry
    herbert hermann howard hugo ian igor ismail ivan jack jacob jacques james jan jason
    javier jeff jeremy jim jimmy joe johan johann johannes john jonathan jorge jose josef
    joseph juan julius jürgen karl keith ken kenneth kevin klaus koji konrad kurt kylian
    lars leo leon leonard leonardo leonid lewis liam lionel louis luca lucas ludwig luigi
    luis luka magnus manuel marc marcel marco mario mark markus martin matthew max
    maximilian michael miguel mikhail mohamed mohammed muhammad napoleon neil nelson
    nicholas nicolas niels nikita nikola nikolai oliver oscar otto pablo patrick paul pedro
    peter phil philip philippe pierre rafael ralph raymond richard reinhold robert roberto
    roger roland ronald rudolf samuel sean sebastian sergei sergey sigmund simon stanley
    stefan stephen steve steven stuart ted thom theodore thomas tim timothy tom tony ulrich
    usain victor viktor vincent vladimir walter werner wilhelm william winston wolfgang
    woody yuri zinedine zlatan""".split()
)
FEMALE_NAMES = frozenset(
    """ada adele agatha agnes alexandra alice alicia amanda amelia amy ana anastasia angela
    angelina anita ann anna anne aretha annie antonela antonia astrid audrey barbara beatrice
    bertha beyonce billie brigitte britney camille carla carmen carol caroline catherine
    cecilia charlotte chloe christina christine claire clara claudia danielle deborah diana
    dolores dolly dorothy edith eleanor elena elisabeth elizabeth ella ellen elsa emily emma
    esther eva eve fiona florence frida gabriela geraldine gertrude giulia grace greta
    hannah harriet heather helen helena hillary ida indira ines ingrid irene isabel isabella
    jacqueline jane janet jennifer jessica joan joanna josephine judith judy julia juliet
    julie karen kate katherine kathleen katy kristen laura lauren leonora linda lisa louise
    lucia lucy madeleine margaret maria mariah marie marilyn marion marlene martha mary maya
    megan melanie meryl michelle mildred miriam monica nancy naomi natalia natalie natasha
    nicole nina nora olga olivia oprah pamela patricia paula penelope rachel rebecca rihanna
    rosa rosalind rose ruth sally sandra sara sarah scarlett selena serena shakira sharon
    sheryl shirley sigrid silvia simone sofia sonia sophia sophie stella stephanie steffi
    susan sylvia taylor teresa thelma theresa tina toni ursula valentina vanessa vera
    veronica victoria virginia vivien whitney wilma yoko yvonne zoe""".split()
)
# Capitalised where a text or a sentence begins, these name nobody.
OPENERS = frozenset(
    """absolutely actually agreed alright amazing awesome bye certainly compare congratulations
    cool correct dear describe exactly explain fine first finally generally give glad gladly
    good goodbye great hello hey hi however imagine indeed interesting just let list look
    maybe meanwhile name nice nope of ok okay once perfect perhaps please probably really
    recently remind right say second show so sorry still suppose sure tell thank thanks
    thats then though today tomorrow true unfortunately usually wait welcome well whats
    whose wonderful wow write yeah yep yes yesterday born back many most both each every
    everybody everyone nobody people several enjoy did is are was were does do can could
    will would should may might must let's wo not never ever half two three four five six
    seven eight nine ten about around roughly over nearly almost""".split()
)
# Capitalised anywhere, but no subject of talk by themselves: days, months, languages.
NO_TOPICS = frozenset(
    """english french german spanish italian dutch portuguese russian chinese japanese arabic
    hindi korean latin greek turkish polish swedish monday tuesday wednesday thursday friday
    saturday sunday january february march april june july august september october november
    december christmas easter i ok ai tv ceo dr mr mrs ms""".split()
)
# Frequent words of other European languages that are no English words.
FOREIGN_WORDS = frozenset(
    """der das und ist wo wie wer wort kommt nicht ein eine den dem von zu mit auf bin sind el
    los las que es de del en por para donde quien cual su como le les des est et ou qui quoi
    sa ses une dans pour avec quel quelle il elle au lo gli di che chi dove sono nel della
    uma da em nao onde quem qual seu het een van niet waar wat hoe och ar var vad""".split()
)
