"""What people type into descriptions and names."""

CUSTOMERS = (
    'Müller & Söhne, "Bau" GmbH',
    "O'Brien, Smith & Partners",
    "Ångström Øresund A/S",
    "株式会社 東京建設",
    "Żółta Łódź sp. z o.o.; Oddział, Kraków",
    'Acme "Rocket, Inc."',
)
PROJECTS = ("Bridge 12", 'Tunnel "North", phase 2', "Straßenbahn Köln, Los 3", "мост № 7")
TASKS = ("Design", "Bauleitung, vor Ort", 'Review "final"', "測量")
DESCRIPTIONS: tuple[str | None, ...] = (
    "Site visit",
    'Cable, 3x1.5 mm², "outdoor"',
    "First line\r\nsecond line\nthird",
    "検査・試験 (第2期)",
    "Überstunden – Straße gesperrt; 'Nachtarbeit'",
    "🚧 crane 🏗️ work 👷‍♀️",
    "=SUM(A1:A9)",
    "  leading and trailing  ",
    "اختبار الموقع",
    "tab\there",
    "+49 221 12345",
    "@mention, -5 °C",
    None,
    None,
    'ends with a quote"',
    "semicolon; pipe | backslash \\ percent %_[x]",
    "é",
    "&lt;b&gt; <b>not markup</b> & more",
    "Расходы, авансовый отчёт № 4",
    "a" * 200,
)
