"""Word lists of the embedded collection. People and products are invented, places and things everyday."""

TOWNS = (
    *("Oslo", "Bern", "Rome", "Kiel", "Lyon", "Turin", "Porto", "Graz", "Delft", "Bath", "Leeds", "Malmo", "Ghent"),
    *("Nantes", "Vigo", "Trier", "Siena", "York", "Basel", "Linz", "Parma", "Dover", "Cork", "Essen", "Lucca", "Braga"),
)
SURNAMES = (
    *("Berg", "Lind", "Keller", "Moreau", "Silva", "Novak", "Hansen", "Rossi", "Dubois", "Brandt", "Marsh", "Tanaka"),
    *("Okafor", "Petrov", "Walsh", "Costa", "Fischer", "Nolan", "Ferro", "Stone", "Wagner", "Lopez", "Hill", "Cole"),
)
FIRST_NAMES = (
    *("Mia", "Tom", "Lena", "Omar", "Sara", "Ivan", "Nora", "Paul", "Aisha", "Hugo", "Emma", "Leo"),
    *("Rita", "Sam", "Olga", "Jack", "Maya", "Ben", "Ana", "Karl", "Zoe", "Max", "Ella", "Dan"),
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
BUILDINGS = (
    *("library", "museum", "theatre", "station", "market hall", "town hall", "school", "bridge"),
    *("chapel", "observatory", "cinema", "mill", "stadium", "lighthouse", "hospital"),
)
FEATURES = ("round windows", "a red roof", "a tall tower", "a quiet garden", "marble stairs", "an old clock")
GOODS = ("pen", "book", "cup", "plate", "ticket", "candle", "spoon", "towel", "lamp", "basket", "card", "toy")
EXTRAS = ("bag", "map", "hat", "scarf", "box", "poster", "vase", "belt", "clock", "rug")
FRUITS = ("apple", "banana", "cherry", "fig", "grape", "lemon", "mango", "orange", "peach", "plum", "melon", "quince")
TOOLS = ("axe", "drill", "file", "hammer", "knife", "ladder", "pliers", "rake", "saw", "spade", "wrench", "chisel")
ANIMALS = ("bear", "cat", "deer", "eagle", "fox", "goat", "horse", "lion", "mouse", "otter", "rabbit", "wolf", "zebra")
FURNITURE = ("lamp", "chair", "desk", "shelf", "mirror", "stool", "carpet", "clock", "vase", "bench", "table", "frame")
EVENTS = (
    "flower market",
    "jazz concert",
    "book fair",
    "city run",
    "film night",
    "craft fair",
    "chess cup",
    "boat race",
)
REASONS = ("a dentist visit", "a train strike", "a school exam", "a sick child", "a broken car", "a family wedding")
OCCASIONS = ("meeting", "workshop", "lesson", "phone call", "lunch", "visit")
LANDMARKS = ("bank", "church", "bakery", "fountain", "school", "pharmacy", "cinema", "park", "hotel", "bridge")
GOALS = ("museum", "harbour", "castle", "market", "theatre", "stadium", "library", "zoo")
PRODUCTS = ("lamp", "phone", "drill", "kettle", "tent", "bike", "camera", "heater", "radio", "fan")
BRANDS = ("Alto", "Brio", "Nova", "Lumo", "Vero", "Zeta", "Orbit", "Pico", "Terra", "Sola", "Kando", "Mira")
