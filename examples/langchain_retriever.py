"""Answer questions in any language of a service from its English passages: a retriever for LangChain.

Run: pip install 'optical[client]' langchain-core
     python examples/langchain_retriever.py http://localhost:8000 "Nani alijenga reli ya kwanza?"
"""

import sys

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnablePassthrough

from optical import AsyncClient, Client
from optical.client import Results


class OpticalRetriever(BaseRetriever):
    """The ``k`` best passages of a service for a question in any of its languages."""

    url: str
    key: str | None = None
    k: int = 5
    filter: str | None = None

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        with Client(self.url, self.key) as client:
            return _documents(client.search(query, k=self.k, filter=self.filter))

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun
    ) -> list[Document]:
        async with AsyncClient(self.url, self.key) as client:
            return _documents(await client.search(query, k=self.k, filter=self.filter))


def _documents(results: Results) -> list[Document]:
    return [
        Document(
            id=hit.id,
            page_content=f"{hit.title}\n{hit.text}".strip(),
            metadata={**hit.metadata, "score": hit.score, "language": hit.language},
        )
        for hit in results.hits
    ]


def answering(retriever: BaseRetriever, model: Runnable) -> Runnable:
    """Return a chain from a question to an answer in its language, by any chat model of LangChain."""
    prompt = ChatPromptTemplate.from_template(
        "Answer in the language of the question, only from these passages, and name those you used.\n\n"
        "{passages}\n\nQuestion: {question}"
    )
    passages = retriever | (lambda found: "\n\n".join(f"[{each.id}] {each.page_content}" for each in found))
    return {"passages": passages, "question": RunnablePassthrough()} | prompt | model | StrOutputParser()


if __name__ == "__main__":
    for document in OpticalRetriever(url=sys.argv[1]).invoke(sys.argv[2]):
        print(f"[{document.id}] {document.page_content}\n")
