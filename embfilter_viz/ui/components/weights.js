// The weights of a method over the strip's spectrum, for as long as the page shows that method.
export default function ({ data }) {
  const show = (profile) => {
    const weights = (window.embfilterWeights ??= {});
    weights.profile = profile;
    weights.draw?.();
  };
  show(data.weights);
  return () => show("");
}
