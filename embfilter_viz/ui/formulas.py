"""The formula behind each page, with its source, in Markdown with LaTeX."""

__all__ = [
    "AVERAGE_TOKEN",
    "COMPARE",
    "GEOMETRY",
    "LENS",
    "SPECTRUM",
    "START",
    "TWO_TEXTS",
    "WINDOW_LAB",
]

START = r"""
The head turns a hidden state $h$ into logits $h\,W_U^\top$, and $W_U=U\,\Sigma\,V^\top$.
EmbedFilter keeps the middle of that spectrum: with $V_\tau=V_{[:,\,l:r]}$ an embedding $e$ becomes
$e\,V_\tau$, which has $r-l$ numbers.

Wu, Chen, Liu, Cui, Li and Yan, “Your UnEmbedding Matrix is Secretly a Feature Lens for Text
Embeddings”, arXiv 2606.07502 (2026).
"""

SPECTRUM = r"""
$W_U=U\,\Sigma\,V^\top$. The rows of $W_U$ are tokens, so a direction $v_i$ has as many numbers as an
embedding, and $\sigma_i U_{ji}=w_j\cdot v_i$ is what it adds to the logit of token $j$. $V$ and
$\Sigma^2$ are the eigenpairs of the $d\times d$ matrix $W_U^\top W_U$, so the tall $U$ is never
formed. The error that this leaves in the small singular values is estimated and shown.

Wu et al., arXiv 2606.07502 (2026).
"""

AVERAGE_TOKEN = r"""
The average token $\hat h$ solves $\hat h\,W_U^\top\approx\log\hat p$ in least squares. Without
direction $i$ it is $\hat h^{(i)}=\hat h\,(I-v_iv_i^\top)$. With $\mathcal V$ a set of $k$ tokens and
$c_i=\hat h\cdot v_i$,

$$\Delta\pi^{(i)}
=\frac{\sum_{j\in\mathcal V}|\hat h^{(i)}\cdot w_j-\hat h\cdot w_j|}{\sum_{j\in\mathcal V}|\hat h\cdot w_j|}
=\frac{|c_i|\sum_{j\in\mathcal V}|w_j\cdot v_i|}{\sum_{j\in\mathcal V}|\hat h\cdot w_j|}.$$

The figure shows the numerator divided by $k$, which is the mean shift of the tokens' logits, because
the denominator differs between sets of tokens. The line is a running median over 15 directions, and
the dots are single directions. The ends are the outer 5 % of the spectrum, and the bulk is its part
from 10 to 75 %.

Chance: $\hat p$ is permuted over the tokens 999 times, and each permutation has its own $\hat h$ and
its own frequent tokens. An end stands above chance if its mean shift, divided by that of the bulk, is
larger than in 97.5 % of the permutations. $\log\hat p$ is known only up to a constant; the centred
gauge subtracts its mean.

Logit Spectroscopy: Cancedda, ACL 2024. Average token: Wu et al., arXiv 2606.07502 (2026).
"""

LENS = r"""
$V_\tau=V_{[:,\,l:r]}$ and $\Phi_\tau=V_\tau V_\tau^\top$. The full form is $\tilde e=e\,\Phi_\tau$
($d$ numbers), and the reduced form is $e\,V_\tau$ ($r-l$ numbers). Both have the same inner products
and distances, because $V_\tau^\top V_\tau=I$. For $\tau$: $k=\lfloor d/\tau\rfloor$,
$l=\lfloor(d-k)/2\rfloor$, $r=l+k$. The lens reads $\tilde e\,W_U^\top$, with the head's bias, scale
and soft cap where it has them.

Specific to the text: let $\tilde w_j$ be the centred rows of $W_U$, and $r_b$ their mean over the
distinct tokens of text $b$ that are not among the 100 most frequent. $S(a,b)$ is the mean of
$\cos(\tilde w_j,r_b)$ over the top 10 tokens of $a$. The page shows the share of other texts $b$ with
$S(a,b)<S(a,a)$. A random subspace is spanned by columns, picked at random, of a random orthonormal
basis.

With the mean $\mu$ of other texts' embeddings under the same prompt removed, the lens reads
$(e-\mu)\,W_U^\top$ and $(e-\mu)\,\Phi_\tau\,W_U^\top$. It leaves out the bias, which cancels in a
difference. The rank of a token is the number of tokens with a larger logit. The interval of a median
over texts goes from one text's number to that of another (Thompson 1936).

Logit Lens: nostalgebraist, 2020. EmbedFilter: Wu et al., arXiv 2606.07502 (2026).
"""

TWO_TEXTS = r"""
With $c=e\,V$ the embedding in the basis of the singular vectors and $u=c/\lVert c\rVert$,

$$\cos(a,b)=\sum_i u_{a,i}\,u_{b,i}:$$

each direction adds a number to the cosine, and a band adds the sum over its directions. The filter
keeps the directions $l$ to $r-1$ and divides by the lengths of what is left. $\mu$ is the mean raw
embedding of the reference texts, read with the same prompt. “Mean removed” replaces $e$ by $e-\mu$.
For a pair of the reference texts themselves, $\mu$ is the mean of all others. What the two texts share
is decoded from
$\frac{e_a-\mu}{\lVert e_a-\mu\rVert}+\frac{e_b-\mu}{\lVert e_b-\mu\rVert}$, and what tells them apart
is decoded from the difference, without the head's bias, which cancels. AUC is the probability that a
pair of texts on one topic has a larger number than a pair on two topics (Mann and Whitney 1947).
Intervals are jackknife intervals over texts: each text is left out with all of its pairs (Arvesen
1969).
"""

GEOMETRY = r"""
Mean cosine over all distinct pairs, exact from the sum of unit vectors
$s=\sum_i e_i/\lVert e_i\rVert$: $(\lVert s\rVert^2-n)/(n^2-n)$ (Ethayarajh 2019). IsoScore: Rudman et
al. 2022. Effective rank: $\exp(-\sum_i p_i\log p_i)$ with $p_i=\sigma_i/\sum_j\sigma_j$ of the centred
embeddings (Roy and Vetterli 2007).

Intervals say how a number varies over other sets of as many texts. For the mean cosine, each text is
left out in turn. For IsoScore and effective rank, the influence of each text is measured on a
logarithmic scale (infinitesimal jackknife, Jaeckel 1972), and the interval is longer on the side to
which the influences are skewed (Johnson 1978, Hall 1992). For the effective rank it is never shorter
than a jackknife over ten groups. In simulations, 95 % intervals contained the true number in 93 % of
the sets or more, and in 80 % where single texts lie arbitrarily far out.

A random subspace is spanned by columns, picked at random, of a random orthonormal basis; there are
20 of the filter's size. The direction that is removed is that of the mean embedding of other texts.
With the mean of the texts themselves, nothing would be left by construction.

IsoScore and effective rank grow with the number of texts, so compare only equal numbers of texts.
UMAP: McInnes et al. 2018. Trustworthiness: Venna and Kaski 2001.
"""

WINDOW_LAB = r"""
Texts are embedded once and rotated once, $R=E\,V$; the window $l:r$ keeps columns $l$ to $r-1$ of
$R$. $\tau$ gives the symmetric window of $\lfloor d/\tau\rfloor$ columns. Scores: Spearman of
cosines (STS), nDCG@10 (retrieval), accuracy of logistic regression, V-measure of $k$-means, average
precision (pairs).

Differences to raw have paired bootstrap intervals. For all windows and alternatives on the page, the
intervals are widened by the quantile of the largest deviation, with each deviation divided by its
standard error (Romano and Wolf 2005), so that with 95 % probability none of them is wrong. A text of
ten pairs or more is drawn with all its pairs (Owen 2007). The intervals of $k$-means are twice as
long as the resamples say, because the resamples hold the clusters fixed. In simulations, intervals
contained the true number in 90 % of the draws or more, and those of V-measure in 85 %.

A window without labels: from texts, it is the window whose cosines order pairs of texts most like
soft whitening of these texts does. From the checkpoint and word frequencies (wordfreq), it is
the longest run of directions that hardly move the logits of frequent tokens.

For Mistral-7B the paper shifts its window: it drops the 128 strongest directions and keeps the
next $\lfloor d/\tau\rfloor$. For models of that family these windows are tried as well.

EmbedFilter: Wu et al., arXiv 2606.07502 (2026).
"""

COMPARE = r"""
Both runs are scored on the same 1,000 resamples of the task's units. The interval is that of the
*difference*: two scores whose own intervals overlap may still differ beyond noise. Mean cosine,
IsoScore and effective rank are measured on the task's texts, with intervals over texts as on the page
Geometry.
"""

CLAIMS = r"""
Each claim is decided by a rule on one or more numbers, its 95 % interval and its control. The rules
stand in the table; they were fixed before anything was measured. A claim that is neither shown to
hold nor shown to fail is not decided. That is no finding against it: more texts may decide it.

Claim 2 is a permutation test (999 permutations of the token frequencies, in the centred gauge);
claims 1, 4 and 5 have intervals over texts, and claim 3 over tokens and draws of random tokens. Claims 7
to 11 are differences of scores on the same 1,000 resamples. Over several tasks the mean difference
$\bar d=\frac1T\sum_t d_t$ has the interval $\bar d\pm\frac1T\sqrt{\sum_g(\sum_{t\in g}r_t)^2}$,
where $r_t$ is the reach of a task's own interval and tasks that share texts are in one group $g$.

Twelve verdicts at a level of 95 % are more than one chance to err: by chance alone, about one interval
in twenty misses the true number.

The claims: Wu et al., arXiv 2606.07502 (2026), in our words.
"""
