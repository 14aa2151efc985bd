"""How the page looks: on a phone and a desk, by day and night, and on paper."""

# Text and its ground have a contrast of at least 4.5 to 1, marks of 3 to 1, in both
# schemes; tests/export/reporting/test_report_browser.py computes it.
LIGHT = {
    "paper": "#fbfaf8",
    "card": "#ffffff",
    "ink": "#17202a",
    "soft": "#5a6672",
    "line": "#e3e0da",
    "track": "#e9e6e0",
    "good": "#17663a",
    "good-ground": "#e0f1e6",
    "bad": "#9c2f1d",
    "bad-ground": "#fae5e0",
    "same": "#4a5560",
    "same-ground": "#ecebe7",
    "s0": "#7d8894",
    "s1": "#1b6ca8",
    "s2": "#c2542f",
    "s3": "#3a7d44",
    "s4": "#8d5a97",
    "s5": "#8f6a08",
}
DARK = {
    "paper": "#12161b",
    "card": "#1a2027",
    "ink": "#eceff2",
    "soft": "#a3aeb9",
    "line": "#2b333c",
    "track": "#2a323b",
    "good": "#86d6a4",
    "good-ground": "#173526",
    "bad": "#f0a08e",
    "bad-ground": "#40211b",
    "same": "#b9c2cb",
    "same-ground": "#2a323b",
    "s0": "#8b97a3",
    "s1": "#58a6dd",
    "s2": "#e5845f",
    "s3": "#6cba79",
    "s4": "#bd8fc8",
    "s5": "#d0a63a",
}
#: Colours of the models in turn; the first is the base's.
SERIES = tuple(name for name in LIGHT if name[0] == "s" and name[1:].isdigit())

_RULES = """
*,*::before,*::after{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);line-height:1.55;
 font:400 16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,
 sans-serif;font-variant-numeric:tabular-nums lining-nums;
 overflow-wrap:anywhere;-webkit-font-smoothing:antialiased}
main,header,footer{max-width:1120px;margin:0 auto;padding:0 clamp(20px,4.5vw,56px)}
header{padding-top:clamp(36px,7vw,88px)}
.over{margin:0 0 14px;font-size:.8125rem;letter-spacing:.06em;color:var(--soft)}
h1{margin:0;font-size:clamp(2rem,1.2rem + 3.6vw,3.5rem);line-height:1.06;
 letter-spacing:-.028em;font-weight:680;text-wrap:balance}
.say{margin:20px 0 0;max-width:46ch;font-size:clamp(1.125rem,1rem + .7vw,1.5rem);
 line-height:1.38;letter-spacing:-.008em}
.say+.say{margin-top:8px}
.meta{margin:18px 0 0;color:var(--soft);font-size:.9375rem}
nav{margin:26px 0 0;display:flex;flex-wrap:wrap;gap:6px 18px;font-size:.9375rem}
a{color:var(--s1);text-decoration-thickness:1px;text-underline-offset:3px}
a:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:2px solid var(--s1);
 outline-offset:3px;border-radius:4px}
main{padding-top:28px}
section{border-top:1px solid var(--line);margin-top:clamp(36px,5vw,60px);
 padding-top:clamp(24px,3vw,36px)}
h2{margin:0;font-size:1.3125rem;line-height:1.25;letter-spacing:-.014em;
 font-weight:660;text-wrap:balance}
h3{margin:28px 0 10px;font-size:1rem;font-weight:640}
.lead{margin:8px 0 0;color:var(--soft);font-size:.9375rem}
.body{margin-top:20px;min-width:0}
.body>:first-child{margin-top:0}
@media (min-width:900px){section{display:grid;column-gap:48px;
 grid-template-columns:232px minmax(0,1fr)}.body{margin-top:2px}}
.dot{display:inline-block;width:.7em;height:.7em;border-radius:50%;margin-right:.5em;
 background:var(--c);vertical-align:baseline}
.tiles{display:grid;gap:12px;margin:12px 0 0;padding:0;list-style:none;
 grid-template-columns:repeat(auto-fit,minmax(150px,1fr))}
.tile{container-type:inline-size;background:var(--card);padding:16px 18px 15px;
 border:1px solid var(--line);border-radius:14px;min-width:0}
.tile b{display:block;font-size:min(2rem,25cqi);line-height:1.1;letter-spacing:-.03em;
 font-weight:640;margin:4px 0 6px;white-space:nowrap}
.tile b.long{font-size:1.25rem;line-height:1.2;letter-spacing:-.015em;
 white-space:normal;min-height:1.87em;align-content:center}
.tile b.good{color:var(--good)}.tile b.bad{color:var(--bad)}
.tile b.same{color:var(--same)}
.tile span{display:block;font-size:.8125rem;line-height:1.45;color:var(--soft)}
.tile .what{color:var(--ink);font-weight:560;font-size:.875rem}
.who{margin:34px 0 0;font-size:1rem;font-weight:640}
.chip{display:inline-block;padding:.08em .6em;border-radius:999px;font-size:.8125rem;
 font-weight:600;white-space:nowrap;background:var(--same-ground);color:var(--same)}
.chip.good{background:var(--good-ground);color:var(--good)}
.chip.bad{background:var(--bad-ground);color:var(--bad)}
.scroll{overflow-x:auto;-webkit-overflow-scrolling:touch}
table{width:100%;border-collapse:collapse;font-size:.9375rem}
th,td{padding:10px 0 10px 18px;text-align:left;vertical-align:top;font-weight:400;
 border-bottom:1px solid var(--line)}
th:first-child,td:first-child{padding-left:0}
thead th{font-size:.8125rem;color:var(--soft);font-weight:560;padding-top:0;
 vertical-align:bottom}
tbody tr:last-child>*{border-bottom:0}
.num{text-align:right;white-space:nowrap}
.main{table-layout:fixed;min-width:calc(var(--n)*104px + 96px)}
.main thead>tr>*:first-child{width:30%}
.fits{min-width:calc(var(--n)*92px + 104px)}.fits tbody th{white-space:nowrap}
.main tbody th{font-weight:600;white-space:nowrap}
.main td{text-align:right}.main thead th+th{text-align:right}
.main td>*{display:block}.main td .chip{display:inline-block;margin-top:5px}
.sub{display:block;font-size:.8125rem;color:var(--soft);font-weight:400;
 line-height:1.45}
.main .sub{white-space:normal}
.main tbody th .sub{max-width:17ch}
.whole{white-space:nowrap;display:inline!important}
.away{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);
 white-space:nowrap}
.pair{display:grid;grid-template-columns:minmax(0,1fr) 5.4em;gap:10px;
 align-items:center;line-height:1.25;font-size:.875rem}
.op+p,figure+p.lead{margin-top:14px}
.op{border-top:1px solid var(--line);padding-top:8px;margin-top:8px}
td.long{min-width:260px;font-size:.8125rem;color:var(--soft)}
.none{color:var(--soft)}
figure{margin:22px 0 0}figcaption{font-size:.875rem;color:var(--soft);margin:0 0 10px}
figcaption b{color:var(--ink);font-weight:600}
svg{display:block;width:100%}figure svg{overflow:visible}
svg text{font:400 12px system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif;
 font-variant-numeric:tabular-nums;fill:var(--soft)}
.fill{fill:var(--c)}.track{fill:var(--track)}.span{fill:var(--c);opacity:.26}
.point{fill:var(--c);opacity:.6}.mid{fill:var(--ink)}.solid{fill:var(--c);
 stroke:var(--paper);stroke-width:2}
.grid{stroke:var(--line);stroke-width:1}.one{stroke:var(--ink);stroke-width:1;
 stroke-dasharray:3 3}
.path{fill:none;stroke:var(--c);stroke-width:2.25;stroke-linejoin:round}
.path.dash{stroke-width:1.5;stroke-dasharray:5 4}.shade{fill:var(--good);opacity:.1}
.row{display:grid;grid-template-columns:minmax(0,1fr);gap:2px;margin-top:10px}
.row .name{font-size:.9375rem;display:flex;flex-wrap:wrap;
 justify-content:space-between;gap:0 12px}
.row .name .sub{display:inline}
@media (min-width:640px){.row{grid-template-columns:210px minmax(0,1fr);gap:18px;
 align-items:center}.row .name{display:block}.row .name .sub{display:block}}
.bars td,.bars th{padding-top:7px;padding-bottom:7px;vertical-align:middle}
.bars{table-layout:fixed}.bars .bar{width:30%}.bars .num{width:5.6em}
.bars .num.wide{width:8.4em}
.code,code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;
 font-size:.84em}
pre{margin:10px 0 0;padding:14px 16px;background:var(--card);white-space:pre-wrap;
 border:1px solid var(--line);border-radius:10px;line-height:1.5;font-size:.8125rem}
dl{display:grid;grid-template-columns:minmax(92px,max-content) minmax(0,1fr);margin:0;
 gap:6px 20px;font-size:.9375rem}
dt{color:var(--soft)}dd{margin:0}
details{margin-top:16px;border-top:1px solid var(--line);padding-top:12px}
summary{cursor:pointer;font-size:.9375rem;font-weight:560}
details>*+*{margin-top:14px}
ul.plain{margin:10px 0 0;padding:0;list-style:none;font-size:.9375rem}
ul.plain li+li{margin-top:6px}
.legend{display:flex;flex-wrap:wrap;gap:4px 20px;font-size:.875rem;margin:0 0 12px;
 padding:0;list-style:none}
.yes{color:var(--good)}.no{color:var(--bad)}
footer{margin-top:clamp(40px,6vw,72px);padding-bottom:56px;color:var(--soft);
 font-size:.875rem}
@media (max-width:480px){th,td{padding-left:10px}.tile{padding:13px 14px 12px}
 .tile b{font-size:min(1.75rem,25cqi)}.tile b.long{font-size:1.125rem;min-height:1.71em}
 .tiles{gap:10px;grid-template-columns:repeat(2,minmax(0,1fr))}
 .bars{font-size:.875rem}.bars .num{width:4.6em}
 .bars .bar{width:24%}.bars .num.wide{width:6em;white-space:normal}}
@media print{body{font-size:11pt}section{break-inside:avoid}nav{display:none}
 main,header,footer{max-width:none;padding:0}header{padding-top:0}
 details::details-content{content-visibility:visible;block-size:auto}}
"""


def stylesheet() -> str:
    """The page's only styles, for a `<style>` element."""
    series = "".join(f".{name}{{--c:var(--{name})}}" for name in SERIES)
    return (
        f":root{{color-scheme:light dark;{_variables(LIGHT)}}}"
        # Not on paper: ink on black is what nobody prints.
        f"@media screen and (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}"
        f"{_RULES}{series}"
    ).replace("\n", "")


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())
