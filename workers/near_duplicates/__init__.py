"""Near-duplicate texts: an exact join on the Jaccard similarity of their words.

A text is the multiset of its words (:func:`workers.text.tokens.word_parts`), so word order does not matter. In
scripts without spaces, pairs of characters take the place of words. Similarity is the size of the intersection
divided by that of the union. Pairs of texts come from an inverted index over each text's rarest words (prefix
filter: Chaudhuri, Ganti, Kaushik, ICDE 2006; Bayardo, Ma, Srikant, WWW 2007). They are filtered by a bound on
the remaining overlap (positional filter: Xiao, Wang, Lin, Yu, WWW 2008) and by 128-bit signatures (bitmap
filter: Sandes, Teodoro, Melo, Information Systems 2020), and then verified exactly.
"""

from workers.near_duplicates.groups import MAX_GROUP, THRESHOLD, most_similar, near_duplicate_groups
from workers.near_duplicates.word_sets import WordSets

__all__ = ["MAX_GROUP", "THRESHOLD", "WordSets", "most_similar", "near_duplicate_groups"]
