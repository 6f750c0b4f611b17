// Draws each chart of the page again with Vega, from the same specification, so that marks answer
// the pointer. The drawn picture stays where it is until that has worked.
"use strict";
for (const element of document.querySelectorAll("script[data-spec]")) {
  const place = document.querySelector(`[data-chart="${CSS.escape(element.dataset.spec)}"]`);
  const fresh = document.createElement("div");
  // The interpreter evaluates expressions without eval, which the page's policy forbids.
  vegaEmbed(fresh, JSON.parse(element.textContent), {
    actions: false,
    ast: true,
    logLevel: vega.Error,
    renderer: "svg",
    tooltip: { theme: "custom" },
  })
    .then(() => {
      place.replaceChildren(fresh);
      place.dataset.live = "yes";
    })
    .catch((error) => console.error(error));
}
