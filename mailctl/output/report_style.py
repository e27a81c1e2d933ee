"""How a report as HTML looks: on light and dark screens, on a phone, and on paper in black and white."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #fff; --text: #1b1f24; --soft: #57606a; --line: #d0d7de; --panel: #f6f8fa;
  --good: #1a7f37; --bad: #b3261e; --warn: #8a5a00; --link: #0550ae;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171a; --text: #e6e9ec; --soft: #a3adb8; --line: #3a424b; --panel: #1e2328;
    --good: #57c777; --bad: #ff8a80; --warn: #e3b341; --link: #82b8ff;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1.5rem 1.25rem 3rem; max-width: 62rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; padding-top: 1rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.5rem 0 .4rem; }
h1, h2, h3, p, li, dd, td.any, table.settings td { overflow-wrap: anywhere; }
td.any { min-width: 9rem; }
p, ol, ul, dl { margin: .4rem 0; }
ol, ul { padding-left: 1.5rem; }
li { margin: .2rem 0; }
a { color: var(--link); }
.soft { color: var(--soft); }
.good { color: var(--good); }
.bad { color: var(--bad); }
.warn { color: var(--warn); }
.mark { font-weight: 600; white-space: nowrap; }
.lead { font-size: 1.1rem; margin: .25rem 0 .5rem; white-space: normal; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .925rem; }
caption { text-align: left; color: var(--soft); padding-bottom: .35rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; }
thead th { white-space: nowrap; }
tbody th { font-weight: 500; white-space: nowrap; }
td.number, th.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td.bar, th.bar { width: 32%; min-width: 8rem; }
table.settings th { width: 16rem; }
table.settings { max-width: 48rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; }
dt { color: var(--soft); }
dd { margin: 0; }
pre, code { font: .875rem/1.45 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
code { background: var(--panel); padding: .1em .3em; border-radius: .25rem; overflow-wrap: anywhere; }
pre {
  margin: .4rem 0; padding: .75rem 1rem; background: var(--panel); border: 1px solid var(--line); border-radius: .4rem;
  white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate;
}
pre.long { max-height: 28rem; overflow-y: auto; }
pre:focus-visible, a:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
svg { display: block; width: 100%; height: .8rem; margin-top: .35rem; }
svg .track { fill: var(--panel); }
svg .good { fill: var(--good); }
svg .bad { fill: var(--bad); }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft); font-size: .9rem; }
@media screen and (max-width: 40rem) {
  dl { grid-template-columns: 1fr; }
  dd { margin-bottom: .5rem; }
  td.bar, th.bar { display: none; }
  table.settings th { width: auto; white-space: normal; }
}
@media print {
  :root {
    --page: #fff; --text: #000; --soft: #333; --line: #999; --panel: #fff;
    --good: #000; --bad: #000; --warn: #000; --link: #000;
  }
  @page { margin: 18mm 16mm; }
  html { font-size: 9.5pt; }
  body { max-width: none; padding: 0; }
  td.bar, th.bar { width: 26%; }
  th, td { padding-top: .2rem; padding-bottom: .2rem; }
  h2 { margin-top: 1.5rem; }
  h2, h3, caption { break-after: avoid; }
  tr, li, dd, .scroll { break-inside: avoid; }
  pre.long { max-height: none; overflow: visible; }
  .bad { font-weight: 700; }
  svg .track { fill: #fff; stroke: #999; stroke-width: 1px; vector-effect: non-scaling-stroke; }
  svg .good { fill: #aaa; }
  svg .bad { fill: #000; }
}
"""
