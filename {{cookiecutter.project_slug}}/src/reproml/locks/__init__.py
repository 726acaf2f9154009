"""locks"""
