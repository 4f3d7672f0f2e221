enum PageStyle {
    /// Everything that the page looks like; it names no font that a computer would have to fetch.
    static let css = """
        *{box-sizing:border-box}
        body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,\
        "Helvetica Neue","DejaVu Sans",sans-serif;font-variant-numeric:tabular-nums}
        main{max-width:1080px;margin:0 auto;padding:28px 20px 48px}
        header{display:flex;flex-wrap:wrap;align-items:baseline;gap:2px 14px;margin-bottom:16px}
        h1{overflow-wrap:anywhere;font-size:26px;line-height:1.2;margin:0;font-weight:680;letter-spacing:-.01em}
        header p{overflow-wrap:anywhere;margin:0;color:var(--soft)}
        header .tool{width:100%;font-size:12px;font-weight:600;letter-spacing:.09em;text-transform:uppercase;\
        color:var(--s1)}
        section{background:var(--card);border:1px solid var(--edge);border-radius:12px;padding:18px 20px;\
        margin:0 0 16px;break-inside:avoid}
        h2{font-size:16px;margin:0;font-weight:640}
        section>p{margin:2px 0 10px;color:var(--soft);font-size:13.5px}
        .tiles{display:grid;gap:12px;margin:0 0 16px;padding:0}
        .threes{grid-template-columns:repeat(3,1fr)}
        .fours{grid-template-columns:repeat(4,1fr)}
        @media(max-width:700px){.tiles{grid-template-columns:repeat(2,1fr)}}
        .tiles div{background:var(--card);border:1px solid var(--edge);border-radius:12px;padding:12px 16px;\
        break-inside:avoid}
        .tiles dt{font-size:13px;color:var(--soft)}
        .tiles dd{margin:0;font-size:23px;line-height:1.3;font-weight:640;letter-spacing:-.01em}
        .tiles .failing dd{color:var(--bad)}
        .tiles dd small{font-size:13px;font-weight:400;color:var(--soft);letter-spacing:0}
        .facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(235px,1fr));gap:8px 24px;margin:10px 0 0}
        .facts div{display:flex;flex-direction:column}
        .facts dt{font-size:12.5px;color:var(--soft)}
        .facts dd{margin:0;overflow-wrap:anywhere}
        .scroll{overflow-x:auto}
        .plot{display:block;width:100%;min-width:620px;height:auto;overflow:visible}
        .plot text{font-size:12.5px;fill:var(--soft)}
        .plot .name{fill:var(--soft);font-weight:600}
        .plot .none{font-size:16px}
        .field{fill:none}
        .grid{fill:none;stroke:var(--grid);stroke-width:1}
        .axis{fill:none;stroke:var(--axis);stroke-width:1}
        .level{fill:none;stroke:var(--axis);stroke-width:1.5;stroke-dasharray:6 5}
        .line{fill:none;stroke:var(--line);stroke-width:2.25;stroke-linejoin:round;stroke-linecap:round}
        .dashed{stroke-dasharray:8 5}
        .area{fill:var(--line);opacity:.1}
        .dot{fill:var(--line);stroke:var(--card);stroke-width:1}
        .hit rect,.found{fill:transparent}
        .cross{opacity:0;pointer-events:none}
        .hit:hover .cross{opacity:1}
        .hit:hover .found{fill:var(--axis);opacity:.35}
        .legend{display:flex;flex-wrap:wrap;gap:4px 18px;list-style:none;padding:0;margin:0 0 6px;font-size:13.5px}
        .legend svg{width:26px;height:10px;margin-right:7px;vertical-align:middle}
        table{border-collapse:collapse;width:100%;font-size:14px}
        th,td{padding:7px 10px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--grid)}
        th{font-size:12.5px;font-weight:600;color:var(--soft)}
        tbody tr:last-child>*{border-bottom:0}
        th:first-child,td:first-child,.words{text-align:left}
        tbody th{min-width:9em;white-space:normal;overflow-wrap:anywhere;color:var(--ink);font-size:14px}
        th:first-child,td:first-child{padding-left:0}
        .words{min-width:16em;white-space:normal;overflow-wrap:anywhere}
        .failing{color:var(--bad)}
        summary{cursor:pointer;font-weight:640}
        pre{margin:12px 0 0;max-height:480px;overflow:auto;font:12.5px/1.5 ui-monospace,"SF Mono",Menlo,Consolas,\
        "DejaVu Sans Mono",monospace}
        footer{color:var(--soft);font-size:13px}
        @media print{body{font-size:12px}main{max-width:none;padding:0}*{print-color-adjust:exact;\
        -webkit-print-color-adjust:exact}section,.threes{grid-template-columns:repeat(3,1fr)}
        .fours{grid-template-columns:repeat(4,1fr)}
        @media(max-width:700px){.tiles{grid-template-columns:repeat(2,1fr)}}
        .tiles div{border-color:#ccc}details{display:none}}
        """
}
